"""Statistics on finished sweeps; numpy and pandas only, so that dashboards can use them."""
