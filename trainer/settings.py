"""What the base model and its update can be told, with meanings, units and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: How Adam's moments pass from one period to the next (method.md, Base model).
Moments = Literal["carried", "lazy", "fresh"]

#: Where to compute; `auto` takes CUDA where there is one.
Device = Literal["auto", "cpu", "cuda"]

#: The rows of an id column's table: one per id as ids appear, or a fixed number N that ids are hashed into.
Rows = Annotated[str, Field(pattern=r"^(grow|hash:[1-9][0-9]{0,8})$")]


#: Which items are likely to be drawn as negatives: all alike, or those that were clicked often.
NegativeDraw = Literal["uniform", "popular"]

#: How Θ_{t-1} becomes Θ_t (method.md, Baselines).
Strategy = Literal["iu", "iu-activity", "bu-3", "bu-5", "bu-7", "incctr", "spmf", "sml", "sml-mf"]

#: The one whose base model is matrix factorisation.
FACTORISED: Strategy = "sml-mf"

#: Those that know the built-in models' tensors by name, and take no base model of one's own.
BUILT_IN: tuple[Strategy, ...] = ("sml", FACTORISED)
#: What is said of one of them with one.
NOT_FOR = (
    "trainer.strategy {strategy} knows the built-in models' tensors alone, and trainer.base is {base}: "
    "set another strategy, or leave trainer.base out"
)


class TrainerSettings(BaseModel):
    """The base model Θ and its update. The seed is the stream's and is passed beside these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Strategy = Field(
        default="iu-activity",
        description="how Θ is updated: iu, on the period's data; iu-activity, the same, with how active item "
        "and user were as an input; bu-W, on the data of the last W periods; incctr, on the period's data, "
        "its labels drawn towards what the model before said; spmf, on the period's data and old examples, "
        "those likeliest that the model before fits badly; sml, as a transfer module makes it of the model "
        "before and the one updated on the period's data; sml-mf, the same with matrix factorisation",
    )
    shadow: tuple[str, ...] = Field(
        default=(),
        description="methods that run beside what serves on the same periods and are scored alike, by the "
        "names of `asmg experiment`: a strategy, a generator on iu, or a generator on iu-activity with "
        "-activity behind its name",
    )
    distillation: float = Field(
        default=0.2, ge=0, le=1, description="incctr: λ, the share of the model before in a label"
    )
    reservoir: float = Field(
        default=0.3,
        gt=0,
        description="spmf: how many old examples of each label are kept, as a share of those pre-trained on, "
        "or of D_1's where none were",
    )
    replay: float = Field(
        default=0.5, ge=0, description="spmf: how many old examples are learnt again, as a share of D_t's"
    )
    transfer_learning_rate: float = Field(
        default=3e-3, gt=0, description="sml, sml-mf: Adam's learning rate on the transfer module"
    )
    transfer_epochs: int = Field(
        default=1, ge=1, description="sml, sml-mf: passes of the transfer module over the period's data"
    )
    transfer_turns: int = Field(
        default=1,
        ge=1,
        description="sml, sml-mf: how often the transfer module is trained on the period's data; before each "
        "time but the first, the model updated on the data before is trained on them again",
    )
    products: bool = Field(
        default=True,
        description="inputs of the MLP beside the paper's: the products, coordinate by coordinate, of the "
        "item's vector with the mean of the history, with its newest item's vector and with the user's; "
        "false: the paper's alone",
    )
    base: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
        description="a base model of your own in place of the built-in one: MODULE:CLASS, as in "
        "examples.dcn:DCN, found from the folder that workers start in, or installed",
    )
    embedding: int = Field(default=16, ge=1, le=1024, description="width of every embedding vector")
    batch: int = Field(
        default=256, ge=1, description="samples, drawn negatives included, in one step of Adam"
    )
    learning_rate: float = Field(default=5e-3, gt=0, description="Adam's learning rate")
    epochs: int = Field(default=1, ge=1, description="passes over D_t in the update of period t")
    moments: Moments = Field(
        default="carried",
        description="Adam's moments: carried from period to period for all rows (rows with moments move even "
        "untouched), lazy (carried, only touched rows move), fresh (zero at the start of a period)",
    )
    user_rows: Rows = Field(default="grow", description="rows of the user table: grow, or hash:N")
    item_rows: Rows = Field(default="grow", description="rows of the item table: grow, or hash:N")
    category_rows: Rows = Field(default="grow", description="rows of the category table: grow, or hash:N")
    forget_after: int | None = Field(
        default=None,
        ge=1,
        description="an id that no sample has named for so many periods, in a history neither, leaves its "
        "table before the next; if it comes back it is new; null: none leaves",
    )
    init_rows: int = Field(
        default=20_000, ge=1, description="rows a growing table counts as in the fan of its initial vectors"
    )
    init_scale: float = Field(default=1.0, ge=0, description="factor on the initial vectors of the tables")
    init_biases: Literal["zero", "glorot"] = Field(
        default="zero",
        description="initial biases of the MLP: zero, or Glorot-uniform as in the authors' code, which is as "
        "wide as the layers are narrow: units whose bias falls below what the tables' small vectors can lift "
        "stay dead for long",
    )
    categories: Literal["auto", "yes", "no"] = Field(
        default="auto", description="whether categories are inputs; auto: whether a sample of D_1 carries any"
    )
    negatives: int = Field(
        default=1,
        ge=0,
        le=64,
        description="drawn for each positive that no impression stands behind; 0 for none",
    )
    negative_draw: NegativeDraw = Field(
        default="uniform",
        description="what is drawn: uniform, any item seen by the end of the period alike; popular, the item "
        "of any positive of the period alike, so that popularity alone tells nothing",
    )
    ema: float | None = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="a moving average of Θ is kept, scored, and may serve where it is the best: what is left "
        "of a model's weight in it a period later; null: none is kept",
    )
    device: Device = Field(default="auto", description="where to compute; auto: CUDA where there is one")
    threads: int = Field(default=1, ge=1, description="torch threads on the CPU")
    metrics_port: int = Field(
        default=9102, ge=0, le=65535, description="port of Prometheus metrics on 127.0.0.1; 0: any free port"
    )
    shadow_metrics_port: int = Field(
        default=9105, ge=0, le=65535, description="the same of the process of the shadows"
    )


def buckets_of(rows: str) -> int | None:
    """N of `hash:N`, None of `grow`."""
    return int(rows.removeprefix("hash:")) if rows.startswith("hash:") else None
