"""From a request to a result: request -> prepared -> pipeline -> scored pictures."""
