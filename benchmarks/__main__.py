"""``python -m benchmarks`` is ``mulanzip bench``."""

from mulanzip.cli.bench import bench

if __name__ == "__main__":
    bench(prog_name="python -m benchmarks")
