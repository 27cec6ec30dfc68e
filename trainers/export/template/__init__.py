"""Files that travel in a take-away zip as they are, and never import Thaw.

predict.py and train.py go into every zip; networks.py or plain.py is the network.py beside them.
"""
