"""Working with missions over time: messages, queues, status, questions, forks, trees."""
