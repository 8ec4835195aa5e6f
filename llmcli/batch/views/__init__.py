"""Views: what comes of records beside records: tables, lines, files of their own."""
