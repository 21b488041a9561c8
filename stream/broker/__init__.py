"""Apache Kafka as a child process on 127.0.0.1, for whoever has no Kafka of their own."""
