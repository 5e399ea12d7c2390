"""Reading and rewriting Python source.

`shapes` abstracts one line (standard library only: it is on the serving path). `module`, `locate` and `rewrite`
read and edit whole files for the strategies.
"""
