enum LayoutClientPlaceholder {}
