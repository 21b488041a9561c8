"""What the generator and its gate can be told, with meanings, units and defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.settings import Device

#: How the losses of a window's steps are weighted: j / Σj', all alike, or 2^j / Σ2^j'.
StepWeights = Literal["linear", "uniform", "exponential"]

#: The generators there are: ours, the paper's, and the controls, which train nothing.
Generator = Literal[
    "asmg-plus",
    "asmg-gru-multi",
    "asmg-gru-single",
    "asmg-gru-full",
    "asmg-gru-zero",
    "asmg-gru-unif",
    "asmg-linear",
    "average",
    "ema",
    "iu-calibrated",
]

#: Those that take models with an MLP alone; matrix factorisation has none.
NEED_MLP: tuple[Generator, ...] = ("asmg-plus", "iu-calibrated")


class MetagenSettings(BaseModel):
    """The generator ω, its training and the gate. Batch size, tables and seed are the trainer's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generator: Generator = Field(
        default="asmg-plus",
        description="asmg-plus: a cell reads a whole row and its activity; asmg-gru-multi: the paper's, "
        "a cell per coordinate; single, full, zero, unif: its variants; asmg-linear: learned weights of the "
        "models; average: their mean; ema: their exponential moving average; iu-calibrated: Θ_t with a small "
        "net that reads its logit and how active item and user were",
    )
    k: int = Field(default=3, ge=1, le=32, description="models in the generator's window")
    full_k: int = Field(
        default=20,
        ge=1,
        le=64,
        description="asmg-gru-full: models in its sequence at most, all of them held in memory; older ones "
        "live on in the hidden state",
    )
    d: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="size of each cell's hidden state; by default 16 for asmg-plus, 4 for the paper's",
    )
    weights: StepWeights = Field(
        default="linear",
        description="weights of the window's steps, oldest to newest: j, 1 or 2^j, normalised "
        "(asmg-gru-unif: always uniform; asmg-gru-single and asmg-linear train on the last alone)",
    )
    tau: int = Field(
        default=5, ge=0, description="periods the generator trains before its models may serve (warm-up)"
    )
    residual: bool = Field(
        default=True,
        description="θ* = θ_t + W·h + b with W, b zero at first; false: the paper's θ* = W·h + b "
        "(asmg-plus is always residual, asmg-linear never)",
    )
    gate_biases: bool = Field(
        default=False,
        description="biases in the cells' gates; false: none, as in the paper (asmg-plus always has them)",
    )
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="Adam's learning rate on ω; by default 1e-2, less where a period has few steps (but for "
        "asmg-linear)",
    )
    mlp_learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="asmg-plus: Adam's learning rate on its own MLP; by default 3e-3, less with few steps",
    )
    moments: Literal["carried", "fresh"] = Field(
        default="carried",
        description="Adam's moments on ω: carried from period to period, or zero at its start",
    )
    decay: float = Field(
        default=0.5, ge=0, lt=1, description="ema: what is left of a model's weight a period later"
    )
    epochs: int = Field(default=1, ge=1, description="passes over the window's data in one period's training")
    gate_window: int = Field(default=3, ge=1, description="last periods whose scores the gate compares")
    gate_margin: float = Field(
        default=0.0, description="nats of mean LogLoss by which Θ* must be better than Θ to serve"
    )
    gate_jump: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="how far Θ*'s scores of the last period may lie from those of the Θ* before it "
        "(Kolmogorov-Smirnov distance, 0 to 1); beyond, it is refused",
    )
    device: Device = Field(default="auto", description="where to compute; auto: CUDA where there is one")
    threads: int = Field(default=1, ge=1, description="torch threads on the CPU")
    metrics_port: int = Field(
        default=9103, ge=0, le=65535, description="port of Prometheus metrics on 127.0.0.1; 0: any free port"
    )

    @property
    def hidden_size(self) -> int:
        """d, or what it is by default; 1 for ema, whose hidden state is an average."""
        if self.generator == "ema":
            return 1
        return self.d or (16 if self.generator == "asmg-plus" else 4)
