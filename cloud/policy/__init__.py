"""What a site has decided not to tell, as one function at the border."""
