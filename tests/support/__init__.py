"""What the tests share: the private Docker engine, the test runner of make, doubles of a runner."""
