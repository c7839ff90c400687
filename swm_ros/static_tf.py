# SPDX-License-Identifier: Apache-2.0
"""Fixed transforms of the settings for rviz and other nodes, where ROS's tf2_msgs is installed."""

from __future__ import annotations

from geometry_msgs.msg import TransformStamped, Vector3

from swm_core.errors import ConfigError
from swm_core.frames import Transform
from swm_ros import qos
from swm_ros.conversions import quaternion
from swm_ros.lifecycle import ManagedNode


def transform_message(parent: str, child: str, pose: Transform) -> TransformStamped:
    """The message of a child frame's pose in its parent, with an empty stamp."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    x, y, z = (float(v) for v in pose.translation)
    message.transform.translation = Vector3(x=x, y=y, z=z)
    message.transform.rotation = quaternion(pose.rotation)
    return message


def send_static_transform(node: ManagedNode, parent: str, child: str, pose: Transform) -> None:
    """Publish a fixed transform, latched, for as long as the node is configured.

    Raises:
        ConfigError: tf2_msgs is not installed (it is not on PyPI).
    """
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError as error:
        raise ConfigError("publish_tf needs tf2_msgs, which comes with an installed ROS 2, not from PyPI") from error
    message = transform_message(parent, child, pose)
    message.header.stamp = node.get_clock().now().to_msg()
    publisher = node.create_publisher(TFMessage, qos.TF_STATIC, qos.LATCHED_EVENT)
    node.own(lambda: node.destroy_publisher(publisher))
    publisher.publish(TFMessage(transforms=[message]))
