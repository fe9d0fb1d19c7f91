"""What a world changed, looked at for the threats of REQ-SEC-1: nothing here runs that code."""
