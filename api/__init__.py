"""The HTTP service: one application, the same whether it runs beside the page, alone or on several machines."""
