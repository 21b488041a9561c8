"""DCN-v2 as a base model: crosses of the inputs, explicit and of bounded degree, beside a deep network.

R. Wang, R. Shivanna, D. Cheng, S. Jain, D. Lin, L. Hong, E. Chi: DCN V2: Improved Deep & Cross Network and
Practical Lessons for Web-scale Learning to Rank Systems, WWW 2021. Equation numbers are the paper's.

    asmg demo --set trainer.base=examples.dcn:DCN
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from trainer.base import Inputs

#: Cross layers: the inputs are multiplied with each other up to this many times.
CROSSES = 2
#: Rank of each cross layer's matrix, as a share of its width (the paper finds 1/4 to cost nothing).
RANK = 1 / 4


class Cross(nn.Module):
    """One cross layer, its matrix of low rank: x_{l+1} = x_0 ⊙ (U (Vᵀ x_l) + b) + x_l (eq. 2).

    With U Vᵀ = W it is the full one, x_{l+1} = x_0 ⊙ (W x_l + b) + x_l (eq. 1).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        rank = max(1, round(RANK * width))
        self.v, self.u = nn.Linear(width, rank, bias=False), nn.Linear(rank, width)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        """[n, width] x_{l+1} from x_0 and x_l."""
        crossed: Tensor = first * self.u(self.v(x)) + x
        return crossed


class DCN(nn.Module):
    """Cross and deep network side by side over [u|s|v], as the built-in model has them; one layer on both."""

    def __init__(self, embedding: int, categories: bool) -> None:
        super().__init__()
        self.tables = {"user": embedding, "item": embedding}
        if categories:
            self.tables["category"] = embedding
        width = embedding * (5 if categories else 3)
        units = (width, width // 2, width // 4)
        self.crosses = nn.ModuleList(Cross(width) for _ in range(CROSSES))
        self.deep = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(units))
        self.logit = nn.Linear(width + units[-1], 1)
        for one in self.modules():
            if isinstance(one, nn.Linear):
                nn.init.xavier_uniform_(one.weight)
                if one.bias is not None:
                    nn.init.zeros_(one.bias)

    def forward(self, inputs: Inputs) -> Tensor:
        """[n] logits."""
        first = torch.cat([inputs.user, inputs.pooled, inputs.item], 1)  # [n, width] x_0
        x = h = first
        for cross in self.crosses:
            x = cross(first, x)
        for layer in self.deep:
            h = torch.relu(layer(h))
        logit: Tensor = self.logit(torch.cat([x, h], 1))[:, 0]  # the parallel structure
        return logit
