"""The one command line: the dispatcher, the demo, the tests and the benchmarks."""
