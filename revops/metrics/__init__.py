"""The last step of the path for machines: records to `.prom` files for node_exporter's textfile collector."""
