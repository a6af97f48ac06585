"""The memory on a Milvus, shared by all replicas, where one machine is outgrown."""
