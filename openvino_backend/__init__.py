"""The same networks on OpenVINO: exported, compressed, and run behind the same pipelines."""
