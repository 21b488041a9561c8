"""What the generator and its gate can be told, with meanings, units and defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.settings import Device

#: How the losses of a window's steps are weighted: j / Σj', all alike, or 2^j / Σ2^j'.
StepWeights = Literal["linear", "uniform", "exponential"]


class MetagenSettings(BaseModel):
    """The generator ω, its training and the gate. Batch size, tables and seed are the trainer's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int = Field(default=3, ge=1, le=32, description="models in the generator's window")
    d: int = Field(default=4, ge=1, le=256, description="size of each cell's hidden state")
    weights: StepWeights = Field(
        default="linear",
        description="weights of the window's steps, oldest to newest: j, 1 or 2^j, normalised",
    )
    tau: int = Field(
        default=5, ge=0, description="periods the generator trains before its models may serve (warm-up)"
    )
    residual: bool = Field(
        default=True,
        description="θ* = θ_t + W·h + b with W, b zero at first; false: the paper's θ* = W·h + b",
    )
    gate_biases: bool = Field(
        default=False, description="biases in the cells' gates; false: none, as in the paper"
    )
    learning_rate: float = Field(default=1e-2, gt=0, description="Adam's learning rate on ω")
    moments: Literal["carried", "fresh"] = Field(
        default="carried",
        description="Adam's moments on ω: carried from period to period, or zero at its start",
    )
    epochs: int = Field(default=1, ge=1, description="passes over the window's data in one period's training")
    gate_window: int = Field(default=3, ge=1, description="last periods whose scores the gate compares")
    gate_margin: float = Field(
        default=0.0, description="nats of mean LogLoss by which Θ* must be better than Θ to serve"
    )
    device: Device = Field(default="auto", description="where to compute; auto: CUDA where there is one")
    threads: int = Field(default=1, ge=1, description="torch threads on the CPU")
    metrics_port: int = Field(
        default=9103, ge=0, le=65535, description="port of Prometheus metrics on 127.0.0.1; 0: any free port"
    )
