"""A local model server: it speaks the wire formats of providers, and a script, a cassette or a policy answers."""
