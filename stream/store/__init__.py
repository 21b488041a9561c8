"""Parts by the hash of their content: the contract, and one file per implementation beside it.

`stream.store.redis` is not loaded here: its library takes half a second, which most workers need not wait.
"""

from stream.store.base import Store, name_of
from stream.store.durable import durable_store
from stream.store.objects import ObjectStore
from stream.store.parquet import ParquetStore
from stream.store.tiered import TieredStore

__all__ = ["ObjectStore", "ParquetStore", "Store", "TieredStore", "durable_store", "name_of"]
