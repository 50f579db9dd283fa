"""The API of a running service: gRPC on one Unix socket, its server and its client."""
