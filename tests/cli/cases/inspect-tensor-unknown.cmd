stkit inspect tiny --tensor model.norm.wieght
