"""From events to samples: order by event time, join impressions with clicks, label, number."""
