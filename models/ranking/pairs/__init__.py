"""A second look: does an exemplar's picture show the same thing as the query's?"""
