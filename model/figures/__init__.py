"""The paper's figures 3 and 4, of any network here."""
