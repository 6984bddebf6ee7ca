"""Keys and applications on their way to the secure elements: certificates, packages, proofs."""
