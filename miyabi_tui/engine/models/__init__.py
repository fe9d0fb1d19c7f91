"""Models of the providers behind one small protocol; see `base`."""
