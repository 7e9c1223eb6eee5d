"""Networks, one a module; none of them imports Lightning."""
