# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML that a stranger may have written: read into nodes that know their lines, bounded, and never constructed.

Anchors, aliases, tags and further documents are problems, not features: so nothing in the text can grow when it is read.
"""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

try:
    import yaml

    HAS_YAML = True
except ImportError:
    HAS_YAML = False

MAX_DEPTH = 8
MAX_NODES = 100_000
MAX_FAULTS = 100
# The tag of a node that stands for one that was refused.
REFUSED = "refused"
STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_MAPPING = "tag:yaml.org,2002:map"
_SEQUENCE = "tag:yaml.org,2002:seq"


class Fault(NamedTuple):
    line: int
    code: str
    message: str


class Document(NamedTuple):
    """The root node (none: there is no document that could be read), and what is wrong with the YAML itself."""

    root: Any
    faults: List[Fault]


def line_of(node: Any) -> int:
    return int(node.start_mark.line) + 1


def read(text: str) -> Document:
    if not HAS_YAML:
        raise GatewayError(
            "The Python package 'PyYAML' is missing for the Python that runs Ansible: reinstall ansible-core, which brings it",
            "instruments-malformed",
        )
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not reader.take(event):
                break
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reader.fault(line, "instruments-malformed", "has a character that YAML does not allow: remove it")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = mark.line + 1 if mark else 1
        reader.fault(where, "instruments-malformed", f"is no YAML: {_plain(error.problem or error.context)}")
    return Document(reader.root if reader.whole else None, reader.faults)


def _plain(words: Optional[str]) -> str:
    return (words or "it cannot be read").replace("\n", " ")


class _Reader:
    """Builds nodes from events, without recursion and within bounds."""

    def __init__(self) -> None:
        self.root: Any = None
        self.faults: List[Fault] = []
        self.whole = True
        self._open: List[Any] = []
        self._nodes = 0
        self._resolver = yaml.resolver.Resolver()

    def fault(self, line: int, code: str, message: str) -> None:
        if code == "instruments-malformed":
            self.whole = False
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(line, code, message))

    def take(self, event: Any) -> bool:
        """Whether to go on."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self.fault(line, "instruments-unsafe", "begins a second document: put all of it into one")
            return False
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.NodeEvent):
            return self._node(event, line)
        return True

    def _node(self, event: Any, line: int) -> bool:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self.whole = False
            self.fault(line, "instruments-too-large", f"goes beyond {MAX_NODES} values: split the file")
            return False
        node = self._made(event, line)
        self._put(node)
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append(node)
            if len(self._open) > MAX_DEPTH:
                self.whole = False
                self.fault(line, "instruments-unsafe", f"is nested deeper than {MAX_DEPTH} levels: write it flat")
                return False
        return True

    def _made(self, event: Any, line: int) -> Any:
        refused = self._refused(event)
        if refused:
            self.fault(line, "instruments-unsafe", refused)
        marks = (event.start_mark, event.end_mark)
        if isinstance(event, yaml.AliasEvent):
            return yaml.ScalarNode(REFUSED, "", *marks)
        if isinstance(event, yaml.ScalarEvent):
            tag = REFUSED if event.tag else self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
            return yaml.ScalarNode(tag, event.value, *marks, style=event.style)
        if isinstance(event, yaml.MappingStartEvent):
            return yaml.MappingNode(REFUSED if event.tag else _MAPPING, [], *marks)
        return yaml.SequenceNode(REFUSED if event.tag else _SEQUENCE, [], *marks)

    @staticmethod
    def _refused(event: Any) -> str:
        if isinstance(event, yaml.AliasEvent):
            return f"uses the alias *{event.anchor}: write the value itself"
        if event.anchor:
            return f"sets the anchor &{event.anchor}: anchors and aliases are refused, so write each value itself"
        if getattr(event, "tag", None):
            return f"has the tag {event.tag[:40]!r}: tags are refused, so write the plain value"
        return ""

    def _put(self, node: Any) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent, yaml.SequenceNode):
            parent.value.append(node)
        elif parent.value and parent.value[-1][1] is None:
            parent.value[-1] = (parent.value[-1][0], node)
        else:
            parent.value.append((node, None))


def is_mapping(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode)


def is_sequence(node: Any) -> bool:
    return isinstance(node, yaml.SequenceNode)


def is_refused(node: Any) -> bool:
    return bool(node.tag == REFUSED)


def is_empty(node: Any) -> bool:
    return bool(node is None or node.tag == _NULL)


def kind(node: Any) -> str:
    """What YAML reads it as, in words."""
    if is_mapping(node):
        return "a mapping"
    if is_sequence(node):
        return "a list"
    return {"str": "a string", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}.get(
        str(node.tag).rpartition(":")[2], "a date or another kind"
    )


def string(value: str) -> Any:
    """A node of a new string, written in quotes where YAML would read something else."""
    return yaml.ScalarNode(STRING, value)


def mapping(values: Any) -> Any:
    return yaml.MappingNode(_MAPPING, [(string(key), string(value)) for key, value in values], flow_style=False)


def with_pairs(node: Any, pairs: Any) -> Any:
    return yaml.MappingNode(node.tag, list(pairs), flow_style=False)


def with_items(node: Any, items: Any) -> Any:
    return yaml.SequenceNode(node.tag, list(items), flow_style=False)


def write(node: Any) -> str:
    text: str = yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=120)
    return text
