"""Base models of one's own: two that keep the contract, and some that break it, each in its own way."""

import itertools

import torch
from torch import nn


class Din(nn.Module):
    """A history whose items weigh by how they fit the target (Deep Interest Network); widths of its own."""

    def __init__(self, embedding, categories):
        super().__init__()
        self.tables = {"user": 3, "item": embedding} | ({"category": 2} if categories else {})
        width = embedding + (2 if categories else 0)
        self.attention = nn.Sequential(nn.Linear(3 * width, 4), nn.Sigmoid(), nn.Linear(4, 1))
        self.logit = nn.Linear(3 + 3 * width, 1)

    def forward(self, inputs):
        item = inputs.item[:, None].expand_as(inputs.history)  # [n, l, w]
        read = torch.cat([inputs.history, item, inputs.history * item], 2)
        weight = self.attention(read) * inputs.there[..., None]
        interest = (weight * inputs.history).sum(1)
        return self.logit(torch.cat([inputs.user, interest, inputs.newest, inputs.item], 1))[:, 0]


class Session(nn.Module):
    """Reads no user and no history, and has no table of categories."""

    def __init__(self, embedding, categories):
        super().__init__()
        self.tables = {"user": 1, "item": embedding}
        self.logit = nn.Linear(embedding, 1)
        self.unread = nn.Parameter(torch.ones(2))
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, inputs):
        return self.logit(inputs.item)[:, 0] * self.scale


class Fine(nn.Module):
    """What those below are but for one thing."""

    def __init__(self, embedding, categories):
        super().__init__()
        self.tables = {"user": embedding, "item": embedding}
        self.logit = nn.Linear(2 * embedding, 1)

    def forward(self, inputs):
        return self.logit(torch.cat([inputs.user, inputs.item], 1))[:, 0]


class NoTables(Fine):
    def __init__(self, embedding, categories):
        super().__init__(embedding, categories)
        self.tables = {"item": embedding}


class TooWide(Fine):
    def __init__(self, embedding, categories):
        super().__init__(embedding, categories)
        self.tables["user"] = 4096


class NoParameters(Fine):
    def __init__(self, embedding, categories):
        super().__init__(embedding, categories)
        del self.logit

    def forward(self, inputs):
        return (inputs.user * inputs.item).sum(1)


class Doubles(Fine):
    def __init__(self, embedding, categories):
        super().__init__(embedding, categories)
        self.double()


class Reserved(Fine):
    def __init__(self, embedding, categories):
        super().__init__(embedding, categories)
        self.activity_kernel1 = nn.Parameter(torch.zeros(1))


class ByChance(Fine):
    made = itertools.count()

    def __init__(self, embedding, categories):
        super().__init__(embedding, categories)
        nn.init.constant_(self.logit.bias, next(self.made))


class Drops(Fine):
    def forward(self, inputs):
        return torch.dropout(super().forward(inputs), 0.5, train=True)


class Across(Fine):
    def forward(self, inputs):
        found = super().forward(inputs)
        return found - found.mean()


class Columns(Fine):
    def forward(self, inputs):
        return super().forward(inputs)[:, None]


class Fails(Fine):
    def forward(self, inputs):
        return inputs.user @ inputs.item


class NoModule:
    def __init__(self, embedding, categories):
        pass


wider = 7
