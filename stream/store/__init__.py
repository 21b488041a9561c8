"""Parts by the hash of their content: the contract, and one file per implementation beside it."""

from stream.store.base import Store, name_of
from stream.store.parquet import ParquetStore

__all__ = ["ParquetStore", "Store", "name_of"]
