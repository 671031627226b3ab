"""The supervisor: the small program that everything the server starts descends from.

`workspaces/supervised.py` starts it once per server, with nothing but the standard library, one
thread and an empty environment. For each command the server sends it the file
descriptors of a control socket and of the command's pipes, and it forks a *keeper*. The keeper
starts the command, stays the ancestor of whatever the command leaves behind (Linux gives orphans
to the nearest subreaper), reports to the server over the control socket, and ends all of it when
told to. So `setsid`, a double fork or `env -i` hide nothing, and nobody else's process is touched.

- The server ends, by whatever death: every control socket closes, and every keeper ends its tree.
- A keeper is killed: what it kept falls to the supervisor, which ends it.
- The supervisor is killed: the kernel tells the keepers (`PR_SET_PDEATHSIG`), which end their
  trees.

Supervisor and keepers share a lock on one file as long as one of them lives, so that the next
server can wait until nothing of this one runs. It knows nothing of runs, tools or output.
"""
