"""What benchmatrix runs: the shared work as a matrix of one implementation, one case and one metric."""

from benchmatrix import BenchmarkCase, make_benchmark_test

from bench.peers.work import NAME, forward

test_forward = make_benchmark_test(
    {NAME: forward().__call__}, [BenchmarkCase.from_values("forward")], metrics=["single_call_latency"]
)
