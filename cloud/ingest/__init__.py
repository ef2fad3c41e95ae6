"""Steps 2, 7 and 8 at the cloud: thin gRPC servicers over pure functions."""
