"""Operations: what verbs do, as generators of commands (see `flow`)."""
