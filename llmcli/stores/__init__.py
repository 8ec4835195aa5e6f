"""Object stores: `s3://`, `gs://` and `az://`, through obstore, which the extra `cloud` brings.

The keys and the endpoint are those of the environment, as obstore reads it. Nothing of that is ever shown.
"""
