"""Puts every mutant of a Rust file into it at once, each behind a switch: `crate::mutant(7)` is true where
the environment says PLICO_MUTANT=7. So all of them cost one build.

Mutants are: a comparison, a logical or arithmetic operator replaced by another; a `!` left out; the condition
of an `if`, a `while` or a match arm replaced by true and by false; an arm that never matches where there is a
`_`; a function that returns at once, with a plain value of its type. What a macro makes, constants and
`const fn` are left as they are, and so is what tests and `Debug` are made of.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_rust
from tree_sitter import Language, Node, Parser

OPERATORS = {
    "<": ["<=", ">"],
    "<=": ["<", ">"],
    ">": [">=", "<"],
    ">=": [">", "<"],
    "==": ["!="],
    "!=": ["=="],
    "&&": ["||"],
    "||": ["&&"],
    "+": ["-"],
    "-": ["+"],
    "*": ["+"],
    "/": ["*"],
    "%": ["/"],
    "&": ["|"],
    "|": ["&"],
    "^": ["&"],
    "<<": [">>"],
    ">>": ["<<"],
    "+=": ["-="],
    "-=": ["+="],
    "*=": ["+="],
    "/=": ["*="],
}
FIXED = {"const_block", "const_item", "static_item", "macro_invocation", "array_type", "use_declaration"}
"""What the compiler computes, or makes of a macro."""
SWITCH = """
/// Whether a mutant is the one that is tried.
pub(crate) fn mutant(number: u32) -> bool {
    static TRIED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let tried = || std::env::var("PLICO_MUTANT").ok()?.parse().ok();
    *TRIED.get_or_init(|| tried().unwrap_or_default()) == number
}
"""
"""What a crate with mutants needs in its lib.rs."""


@dataclass(frozen=True)
class Mutant:
    """One change: the number that switches it on, where it is, and what it does."""

    number: int
    file: str
    at: int
    line: str
    change: str


class Mutator:
    """Mutates one file after the other, with numbers that go on."""

    def __init__(self, without: set[int]) -> None:
        """`without` are numbers of mutants that do not compile."""
        self.parser = Parser(Language(tree_sitter_rust.language()))
        self.without = without
        self.count = 0
        self.mutants: list[Mutant] = []

    def mutate(self, file: str, text: str) -> str:
        """The file with its mutants."""
        self.file, self.source = file, text.encode()
        self.lines = text.splitlines()
        return self.plain(self.parser.parse(self.source).root_node)

    def switch(self, node: Node, change: str) -> str | None:
        """The condition under which a further mutant is on; none if it is left out."""
        self.count += 1
        if self.count in self.without:
            return None
        at = node.start_point.row + 1
        self.mutants.append(Mutant(self.count, self.file, at, self.lines[at - 1].strip(), change))
        return f"crate::mutant({self.count})"

    def words(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode()

    def plain(self, node: Node) -> str:
        """What is not inside a function, or must stay as it is."""
        if node.type == "mod_item" and self.is_of_tests(node):
            return self.words(node)
        if node.type == "impl_item" and (of := node.child_by_field_name("trait")):
            if self.words(of).endswith("Debug"):
                return self.words(node)
        if node.type == "function_item" and not self.is_const(node) and not self.is_of_tests(node):
            return self.function(node)
        return self.children(node, self.plain)

    def is_of_tests(self, node: Node) -> bool:
        before = node.prev_sibling
        while before is not None and before.type in ("attribute_item", "line_comment"):
            if "test" in self.words(before) and before.type == "attribute_item":
                return True
            before = before.prev_sibling
        return False

    def is_const(self, node: Node) -> bool:
        modifiers = [child for child in node.children if child.type == "function_modifiers"]
        return any("const" in self.words(modifier).split() for modifier in modifiers)

    def children(self, node: Node, render, at: dict[int, str] | None = None) -> str:
        """The text of a node from that of its children; `at` has those that are given already."""
        out, end = [], node.start_byte
        for child in node.children:
            out.append(self.source[end : child.start_byte].decode())
            out.append((at or {}).get(child.id) or render(child))
            end = child.end_byte
        out.append(self.source[end : node.end_byte].decode())
        return "".join(out)

    def function(self, node: Node) -> str:
        body = node.child_by_field_name("body")
        type_ = node.child_by_field_name("return_type")
        name = self.words(node.child_by_field_name("name"))
        inside = self.children(body, self.live)
        returns = []
        for value in values(self.words(type_) if type_ else "()"):
            if on := self.switch(node, f"`{name}` returns {value or 'at once'}"):
                returns.append(f"if {on} {{ return {value}; }} ")
        if body.named_child_count:
            inside = "{ " + "".join(returns) + inside[1:]
        before = self.source[node.start_byte : body.start_byte].decode()
        return before + inside

    def live(self, node: Node) -> str:
        """An expression or statement of a function, with its mutants."""
        kind = node.type
        if kind in FIXED:
            return self.words(node)
        if kind == "function_item":
            return self.plain(node)
        if kind in ("binary_expression", "compound_assignment_expr"):
            return self.operator(node)
        if kind == "unary_expression" and node.children[0].type == "!":
            operand = self.live(node.children[1])
            on = self.switch(node, f"`{self.words(node)}` without its `!`")
            return f"(if {on} {{ {operand} }} else {{ !{operand} }})" if on else f"!{operand}"
        if kind in ("if_expression", "while_expression"):
            condition = node.child_by_field_name("condition")
            if condition.type not in ("let_condition", "let_chain"):
                forced = ["false"] if kind == "while_expression" else ["true", "false"]
                return self.children(node, self.live, {condition.id: self.forced(condition, forced)})
        if kind == "match_block":
            return self.arms(node)
        return self.children(node, self.live)

    def operator(self, node: Node) -> str:
        left, sign, right = (node.child_by_field_name(name) for name in ("left", "operator", "right"))
        first, second = self.live(left), self.live(right)
        out = ""
        for other in OPERATORS.get(sign.type, []):
            if on := self.switch(node, f"`{other}` for `{sign.type}` in `{' '.join(self.words(node).split())}`"):
                out += f"if {on} {{ {first} {other} {second} }} else "
        whole = f"{first} {sign.type} {second}"
        return f"({out}{{ {whole} }})" if out else whole

    def forced(self, condition: Node, values: list[str]) -> str:
        """A condition that may be forced to a value."""
        whole, out = self.live(condition), ""
        for value in values:
            if on := self.switch(condition, f"{value} for `{' '.join(self.words(condition).split())}`"):
                out += f"if {on} {{ {value} }} else "
        return f"({out}{{ {whole} }})" if out else whole

    def arms(self, block: Node) -> str:
        arms = [child for child in block.children if child.type == "match_arm"]
        last = self.words(arms[-1].child_by_field_name("pattern")) if arms else ""
        given = {arm.id: self.arm(arm, last == "_" and arm is not arms[-1]) for arm in arms}
        return self.children(block, self.live, given)

    def arm(self, arm: Node, may_end: bool) -> str:
        pattern = arm.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        if guard is not None and guard.type not in ("let_condition", "let_chain"):
            before = self.source[pattern.start_byte : guard.start_byte].decode()
            given = before + self.forced(guard, ["true", "false"])
        elif guard is None and may_end and (on := self.switch(pattern, f"`{self.words(pattern)}` never matches")):
            given = f"{self.words(pattern)} if !{on}"
        else:
            given = self.words(pattern)
        return self.children(arm, self.live, {pattern.id: given})


def values(type_: str) -> Iterator[str]:
    """What a function may return instead; what is of another type does not compile, and is left out."""
    plain = {"()": [""], "bool": ["true", "false"], "String": ["String::new()"]}
    plain |= {number: ["0", "1"] for number in ("u8", "u16", "u32", "u64", "usize")}
    if type_ in plain:
        yield from plain[type_]
    elif type_.startswith("Option<"):
        yield "None"
    elif type_.startswith("Result<()"):
        yield "Ok(())"
    elif type_.startswith("Result<bool"):
        yield from ["Ok(true)", "Ok(false)"]
    elif type_.startswith("Result<"):
        yield "Ok(Default::default())"
    elif not type_.startswith(("impl ", "&")):
        yield "Default::default()"
