# SPDX-License-Identifier: Apache-2.0
"""All parameters of another node, asked for without waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters, GetParameterTypes, ListParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python


def ask_parameters(node: Node, other: str, take: Callable[[dict[str, Any]], None]) -> None:
    """Ask a node for its parameters, if it is there; one that never answers is never heard of again.

    Args:
        node: who asks; it must be spinning.
        other: full name of the node asked.
        take: called with the values by name, JSON-ready, on the executor's thread; what has no value is left out.
    """

    def ask(service: type, name: str, request: Any, then: Callable[[Any], None]) -> None:
        client = node.create_client(service, f"{other}/{name}")

        def answered(future: Any) -> None:
            node.destroy_client(client)
            then(future.result())

        client.call_async(request).add_done_callback(answered)

    def listed(response: ListParameters.Response) -> None:
        names = list(response.result.names)
        request = GetParameterTypes.Request(names=names)
        ask(GetParameterTypes, "get_parameter_types", request, lambda response: typed(names, response))

    def typed(names: list[str], response: GetParameterTypes.Response) -> None:
        kinds = zip(names, response.types, strict=False)  # one without a value would make all answers empty
        filled = [name for name, kind in kinds if kind != ParameterType.PARAMETER_NOT_SET]
        request = GetParameters.Request(names=filled)
        ask(GetParameters, "get_parameters", request, lambda response: got(filled, response))

    def got(names: list[str], response: GetParameters.Response) -> None:
        values = map(parameter_value_to_python, response.values)
        take({name: _plain(value) for name, value in zip(names, values, strict=False)})

    if other in known_nodes(node):
        ask(ListParameters, "list_parameters", ListParameters.Request(), listed)


def known_nodes(node: Node) -> set[str]:
    """Full names of the nodes that a node knows of."""
    return {f"{namespace.rstrip('/')}/{name}" for name, namespace in node.get_node_names_and_namespaces()}


def _plain(value: Any) -> Any:
    """Arrays come as `array.array` or tuples."""
    return list(value) if hasattr(value, "typecode") or isinstance(value, tuple) else value
