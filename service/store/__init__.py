"""Tables, migrations, and one repository per noun."""
