"""The archive of periods: each D_t as a part of the store, for the time after Kafka has forgotten it."""
