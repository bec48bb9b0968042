"""The model gateway: the model of an agent, at an address inside its world."""
