"""The workspaces that missions work in: made, looked at, merged, kept, measured, removed."""
