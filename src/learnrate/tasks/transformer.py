"""The Transformer that the text tasks train: small, pre-norm, without biases and without dropout."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Transformer(nn.Module):
    """From symbols, integers of shape (batch, length), to scores of shape (batch, length, outputs).

    `causal` hides from every place what comes after it. Weights are drawn from torch's global random state as those of
    GPT-2 are: normal, with half the deviation that would keep the size of a signal (the 0.02 of GPT-2, at its width),
    and less by the root of their number for matrices that write into the residual stream.
    """

    def __init__(
        self, symbols: int, length: int, outputs: int, *, width: int, heads: int, layers: int, causal: bool
    ) -> None:
        super().__init__()
        self.symbols = nn.Embedding(symbols, width)
        self.places = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(_Block(width, heads, causal) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, outputs, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                writers = 2 * layers if name.endswith("write.weight") else 1
                nn.init.normal_(weight, std=0.5 / (weight.shape[1] * writers) ** 0.5)

    def forward(self, symbols: Tensor) -> Tensor:
        """The scores; places are counted from the beginning of what is given."""
        stream = self.symbols(symbols) + self.places.weight[: symbols.shape[1]]
        return self.head(self.norm(self.blocks(stream)))


class _Block(nn.Module):
    """Attention, then a perceptron; each reads through a normalisation and adds to what it read."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width, bias=False), _Attention(width, heads, causal))
        self.perceptron = nn.Sequential(nn.LayerNorm(width, bias=False), _Perceptron(width))

    def forward(self, stream: Tensor) -> Tensor:
        stream = stream + self.attention(stream)
        return stream + self.perceptron(stream)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.read = nn.Linear(width, 3 * width, bias=False)
        self.write = nn.Linear(width, width, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        batch, length, width = stream.shape
        read = self.read(stream).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = read.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.write(mixed.transpose(1, 2).reshape(batch, length, width))


class _Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, 4 * width, bias=False)
        self.write = nn.Linear(4 * width, width, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        return self.write(functional.gelu(self.read(stream)))
