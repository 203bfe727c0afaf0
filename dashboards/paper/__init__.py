"""The paper's tables and figures beside a store's own."""
