"""The circuit's picture, in one place: its values, its DOT text, the order of its nodes, and the painter."""

from neurflow_report.drawing.dot import kept_order, rank_order, to_dot
from neurflow_report.drawing.graph import Band, Diagram, Link, Node, Order, Tile
from neurflow_report.drawing.paint import paint

__all__ = ["Band", "Diagram", "Link", "Node", "Order", "Tile", "kept_order", "paint", "rank_order", "to_dot"]
