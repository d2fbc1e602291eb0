"""The circuit's picture, in one place: its values, its DOT text, the order of its nodes, and the painter."""

from neurflow_report.drawing.figures.dot import kept_order, rank_order, to_dot
from neurflow_report.drawing.figures.paint import paint
from neurflow_report.drawing.view.model.graph import Band, Diagram, Link, Node, Order, Tile

__all__ = ["Band", "Diagram", "Link", "Node", "Order", "Tile", "kept_order", "paint", "rank_order", "to_dot"]
