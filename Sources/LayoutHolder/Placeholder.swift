enum LayoutHolderPlaceholder {}
