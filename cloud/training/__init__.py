"""Model creation at the cloud or on any local computer: derive, train, measure, export, describe (READ-10).

`python -m cloud.training --help`. Needs the extra `train`; nothing at run time imports this package.
"""
