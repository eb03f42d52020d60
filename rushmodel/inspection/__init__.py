"""From what a store holds to the source of model classes: pure, and safe with whatever names there are."""
