"""Small projects with one fault each, and the same projects without it: what the watch has to tell apart.

In every text, `#FAULT:` begins a line of the faulty project, and `#RIGHT:` one of its twin.
"""

import textwrap

_NETS = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))

def batches(count=3):
    return [(torch.randn(4, 8), torch.randint(3, (4,))) for _ in range(count)]
"""

# Every evaluation is written without `no_grad`; its twin has the line that is marked.
_EVALUATIONS = {
    "a plain loop": """
#RIGHT:@torch.no_grad()
def evaluate(net, data):
    net.eval()
    right = 0
    for x, y in data:
        right += (net(x).argmax(1) == y).sum().item()
    return right
""",
    "a loop that collects what the net says": """
#RIGHT:@torch.inference_mode()
def evaluate(net, data):
    net.eval()
    said = []
    for x, _ in data:
        said.append(net(x))
    return int(torch.cat(said).argmax(1).sum())
""",
    "a loop in training mode": """
#RIGHT:@torch.no_grad()
def evaluate(net, data):
    return sum(nn.functional.cross_entropy(net(x), y).item() for x, y in data)
""",
    "one batch": """
#RIGHT:@torch.no_grad()
def evaluate(net, data):
    x, y = data[0]
    said = net(x)
    return (said.argmax(1) == y).float().mean().item()
""",
    "a class of hooks, in the manner of Lightning": """
class Lit(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def validation_step(self, batch):
        x, y = batch
        return nn.functional.cross_entropy(self.net(x), y)

class Runner:
    def validate(self, lit, data):
        lit.eval()
        losses = []
        #RIGHT:torch.set_grad_enabled(False)
        for batch in data:
            losses.append(lit.validation_step(batch))
        #RIGHT:torch.set_grad_enabled(True)
        return torch.stack(losses).mean().item()

def evaluate(net, data):
    return Runner().validate(Lit(net), data)
""",
    "a class of hooks whose end is a method": """
class Lit(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.kept = net, []

    def forward(self, x):
        return self.net(x)

    #RIGHT:@torch.no_grad()
    def validation_step(self, batch):
        self.kept.append(self(batch[0]).argmax(1))

    def on_validation_end(self):
        return float(torch.cat(self.kept).float().mean())

def evaluate(net, data):
    lit = Lit(net).eval()
    for batch in data:
        lit.validation_step(batch)
    return lit.on_validation_end()
""",
    "a Trainer whose model returns an object": """
class Output:
    def __init__(self, logits, loss):
        self.logits, self.loss = logits, loss

class ForClasses(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs, labels=None):
        logits = self.net(inputs)
        return Output(logits, nn.functional.cross_entropy(logits, labels))

class Trainer:
    def __init__(self, model):
        self.model = model

    def prediction_step(self, inputs):
        #RIGHT:with torch.no_grad():
        #FAULT:if True:
            output = self.model(**inputs)
        return output.loss.detach(), output.logits.detach()

    def evaluate(self, data):
        self.model.eval()
        steps = [self.prediction_step({"inputs": x, "labels": y}) for x, y in data]
        return float(torch.stack([loss for loss, _ in steps]).mean())

def evaluate(net, data):
    return Trainer(ForClasses(net)).evaluate(data)
""",
    "a Trainer with dataclass outputs and a metric": """
from dataclasses import dataclass

@dataclass
class Output:
    logits: torch.Tensor

class ForClasses(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs):
        return {"output": Output(self.net(inputs))}

class Trainer:
    def __init__(self, model, compute_metrics):
        self.model, self.compute_metrics = model, compute_metrics

    def evaluation_loop(self, data):
        model = self.model.eval()
        return [self.compute_metrics(model(inputs=x)["output"].logits, y) for x, y in data]

    def evaluate(self, data):
        #RIGHT:with torch.inference_mode():
        #FAULT:if True:
            return sum(self.evaluation_loop(data))

def evaluate(net, data):
    return Trainer(ForClasses(net), lambda said, y: int((said.argmax(-1) == y).sum())).evaluate(data)
""",
    "a generator": """
def predictions(net, data):
    net.eval()
    for x, _ in data:
        #RIGHT:with torch.no_grad():
        #FAULT:if True:
            said = net(x).argmax(1)
        yield said

def evaluate(net, data):
    return sum(int(each.sum()) for each in predictions(net, data))
""",
    "a generator that a test reads": """
def evaluate(net, data):
    net.eval()
    for x, _ in data:
        #RIGHT:with torch.no_grad():
        #FAULT:if True:
            said = net(x)
        yield said
""",
    "a callback": """
class Validate:
    def __init__(self, data):
        self.data, self.scores = data, []

    def on_epoch_end(self, net):
        #RIGHT:with torch.no_grad():
        #FAULT:if True:
            net.eval()
            self.scores.append(sum(nn.functional.cross_entropy(net(x), y).item() for x, y in self.data))
            net.train()

def fit(net, data, callbacks):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        for callback in callbacks:
            callback.on_epoch_end(net)

def evaluate(net, data):
    validate = Validate(data)
    fit(net, data, [validate])
    return validate.scores[-1]
""",
    "a callback in a registry": """
HOOKS = []

def on_validation(call):
    HOOKS.append(call)
    return call

@on_validation
#RIGHT:@torch.no_grad()
def accuracy(net, data):
    return [float((net.eval()(x).argmax(1) == y).float().mean()) for x, y in data]

def evaluate(net, data):
    return [hook(net, data) for hook in HOOKS]
""",
    "a loader in a thread": """
import queue, threading

def loaded(data):
    waiting = queue.Queue(2)
    def load():
        for item in data:
            waiting.put(item)
        waiting.put(None)
    thread = threading.Thread(target=load)
    thread.start()
    while (item := waiting.get()) is not None:
        yield item
    thread.join()

#RIGHT:@torch.no_grad()
def evaluate(net, data):
    net.eval()
    right = 0
    for x, y in loaded(data):
        right += int((net(x).argmax(1) == y).sum())
    return right
""",
    "an evaluation in a thread": """
import threading

def evaluate(net, data):
    scores = []
    def run():
        net.eval()
        for x, y in data:
            #RIGHT:with torch.no_grad():
            #FAULT:if True:
                loss = nn.functional.cross_entropy(net(x), y)
            scores.append(loss.item())
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return scores
""",
    "a compiled model": """
def evaluate(net, data):
    compiled = torch.compile(net.eval(), backend="eager")
    right = 0
    for x, y in data:
        #RIGHT:with torch.no_grad():
        #FAULT:if True:
            right += int((compiled(x).argmax(1) == y).sum())
    return right
""",
    "DistributedDataParallel on one rank": """
import tempfile
import torch.distributed as dist

def evaluate(net, data):
    with tempfile.NamedTemporaryFile() as file:
        dist.init_process_group("gloo", init_method=f"file://{file.name}", rank=0, world_size=1)
        try:
            parallel = nn.parallel.DistributedDataParallel(net).eval()
            #RIGHT:with torch.no_grad():
            #FAULT:if True:
                return sum(int((parallel(x).argmax(1) == y).sum()) for x, y in data)
        finally:
            dist.destroy_process_group()
""",
}

_TRAININGS = {
    "thawed by train()": """
class Frozen(nn.Sequential):
    def train(self, mode=True):
        super().train(mode)
        #FAULT:self.requires_grad_(True)
        return self

def evaluate(net, data):
    net = Frozen(*net)
    net[0].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for x, y in data:
        net.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
    "thawed in the step": """
def evaluate(net, data):
    for p in net[0].parameters():
        p.requires_grad = False
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    for x, y in data:
        #FAULT:for p in net.parameters():
        #FAULT:    p.requires_grad = True
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
    "thawed after an epoch": """
def evaluate(net, data):
    net[2].bias.requires_grad_(False)
    optimizer = torch.optim.Adam(net.parameters())
    for epoch in range(2):
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        #FAULT:net[2].bias.requires_grad_(True)
""",
    "losses in a list": """
def evaluate(net, data):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for x, y in data * 3:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        #FAULT:losses.append(loss)
        #RIGHT:losses.append(loss.item())
    return losses
""",
    "a running sum of losses": """
def evaluate(net, data):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    total = 0
    for x, y in data * 3:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        #FAULT:total = total + loss
        #RIGHT:total = total + loss.detach()
    return total.item()
""",
    "outputs on an object": """
class Loop:
    def __init__(self, net):
        self.net, self.history = net, {}

    def step(self, index, x, y):
        self.net.zero_grad()
        said = self.net(x)
        nn.functional.cross_entropy(said, y).backward()
        #FAULT:self.history[index] = said
        #RIGHT:self.history[index] = said.detach()

def evaluate(net, data):
    loop = Loop(net)
    for index, (x, y) in enumerate(data * 3):
        loop.step(index, x, y)
""",
    "batch normalization in training mode": """
def evaluate(net, data):
    trunk = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)).requires_grad_(False)
    model = nn.Sequential(trunk, net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for x, y in data:
        model.train()
        #RIGHT:trunk.eval()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
""",
    "batch normalization of images": """
def evaluate(net, data):
    trunk = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    for p in trunk.parameters():
        p.requires_grad_(False)
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.head = trunk, net

        def forward(self, x):
            return self.head(self.trunk(x))
    model = Whole().train()
    #RIGHT:model.trunk.eval()
    for x, y in data:
        nn.functional.cross_entropy(model(torch.randn(4, 1, 8, 8)), y).backward()
""",
}

KINDS = {
    **dict.fromkeys(_EVALUATIONS, "unused"),
    **dict(zip(_TRAININGS, ["thawed"] * 3 + ["kept"] * 3 + ["moving"] * 2, strict=True)),
}

_TEST = """
from {nets} import batches, build, evaluate

def test_scores():
    for _ in [evaluate(build(), batches())]:
        pass
    {reads}
"""


def project(name: str, *, faulty: bool, nets: str) -> tuple[str, str]:
    """Return the texts of a project's module and of its test."""
    keeps, drops = ("#FAULT:", "#RIGHT:") if faulty else ("#RIGHT:", "#FAULT:")
    body = (_EVALUATIONS | _TRAININGS)[name]
    lines = [line.replace(keeps, "") for line in body.splitlines() if drops not in line]
    text = _NETS + "\n".join(lines) + "\n"
    reads = "for said in evaluate(build(), batches()):\n        assert said.shape == (4, 3)"
    test = _TEST.format(nets=nets, reads=reads if name == "a generator that a test reads" else "pass")
    return textwrap.dedent(text), test
