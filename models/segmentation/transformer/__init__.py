"""The layers that make queries of maps, and finds of queries."""
