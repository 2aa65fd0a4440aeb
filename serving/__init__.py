"""The same service on Ray Serve: doors that take requests, engines that make pictures, one job store between them."""
