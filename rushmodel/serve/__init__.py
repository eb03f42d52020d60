"""`rushmodel serve`: RushDB's REST in front of the embedded store."""
